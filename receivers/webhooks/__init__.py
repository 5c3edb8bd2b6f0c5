"""The receiver: CM's webhooks call it, and whatever they bring is in Redis before they are told 200.

    webhook   what a request is: kind, account, form, by its path, query and first byte
    door      who may come in: the sources, the secrets, basic authentication
    sources   whose address counts where proxies stand between
    rate      how many a second
    tally     the log: a line a second of what was taken and what was refused
    waking    the errand that reads it is woken
    app       HTTP: one request, from its head to its answer
    __main__  `python -m receivers.webhooks`

    POST /cm/status/<secret>    status reports, JSON or XML     GET  the same, CM's old form
    POST /cm/inbound/<secret>   messages that people sent
    POST /cm/events/<secret>    clicks and the like

`?account=alias` says which account's webhook it is. The secret stands in the path: no path is ever logged.
Nothing of a body is read here: a wrong one would come again for a week or a month, so it is taken, and
`receivers.processing` judges it.
"""
