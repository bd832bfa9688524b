"""One file for each kind of client; `clients` loads them by name. Each may import its client."""
