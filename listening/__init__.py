"""What every program of ours that listens is bounded by: sockets, connections, heads, bodies, guesses."""
