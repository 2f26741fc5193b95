"""Engine processes of one model each: started, watched while they load, ended, and gone with their parent.

Words: a *child* is such a process. All children tell how their load goes by the lines that llama.cpp's server has for
it (`lines`), and their size at `/props` (`props`). What is started for a model, and whether its files are whole, is
each engine's own; `process` has the rest.
"""
