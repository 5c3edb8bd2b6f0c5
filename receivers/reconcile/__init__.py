"""Reconciliation: what is in doubt, asked of CM's Transactions API ("Transactions API", developers.cm.com).

schedule    when to ask about a message
answer      what an answer proves
client      the request, and its answer as a value
doubts      the messages that nobody knows about, as Redis has them
pace        how often an account may ask, all processes together
reconcile   the errand
"""
