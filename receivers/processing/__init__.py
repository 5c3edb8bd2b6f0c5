"""What CM's webhooks brought, read and acted upon: status reports, inbound messages, clicks.

reading (and what it is made of: document, status_report, inbound, interaction)
              bytes to values, purely; what can't be read is a value too (unreadable)
opt_out       the words that stop and start messages
resending     when a failed message goes again
safeguard     when CM's own limits slow an account
receive       the errand: what waits is taken, read, merged, told of, and only then given up
"""
