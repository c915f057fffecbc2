"""The training loop and its parts: checkpoints, callbacks, distributed processes, optimisers."""
