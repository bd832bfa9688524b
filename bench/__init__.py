"""What a session costs, ours and that of LiveKit's own plugin, measured in one run: `make bench`."""
