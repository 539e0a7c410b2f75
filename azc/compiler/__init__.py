"""Programs to native code, and the compiled code kept on disk."""
