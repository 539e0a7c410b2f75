"""The version of azc; read by the build too."""

VERSION = "0.1.0"
