"""The only room that imports Ray: it places, starts, names, watches and stops programs.

Ray is not on the path of a request; programs talk by frames (actors.net).
"""
