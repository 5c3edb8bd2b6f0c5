"""Campaigns: a file of recipients looked over, then enqueued, so that a repeat doubles nobody.

Needs the extra `campaign`. `cmqueue import` is this package on the command line.
"""
