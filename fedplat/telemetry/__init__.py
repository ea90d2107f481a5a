"""What is told about a run: records, the file that keeps them, and the displays that show them.

Everything here subscribes to the stream of records that a run emits (`records.py` says which there
are); nothing here is called by the engine, and a run gives the same model with any of it or none.
"""
