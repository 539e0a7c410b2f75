"""What runs below Python: kernels, interpreter, random numbers (installed as `azc.runtime`)."""
