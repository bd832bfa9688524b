"""What is done: the one room where our side meets a clock, a loop and a socket."""
