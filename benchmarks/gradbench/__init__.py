"""GradBench's evals as kernels, written as their users would write them; each module holds one and its data.

The definitions are those of https://github.com/gradbench/gradbench; the code is our own.  Nothing here knows how
dualgrad works: derivatives are asked for by its public verbs, from Python and from nopython code.
"""
