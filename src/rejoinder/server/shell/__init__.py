"""Where the server meets a loop, sockets, files and threads. All else of it is pure."""
