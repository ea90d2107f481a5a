"""Compiled loops over arrays.  Importing one of these modules starts numba: half a second."""
