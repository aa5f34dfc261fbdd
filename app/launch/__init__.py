"""Starting Lotline: the embedded Redis, the Procfile, and what its processes need."""
