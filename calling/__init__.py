"""What every program of ours that calls somebody else's HTTP is bound by.

deadline     one moment bounds every system call of a request, however slowly the peer drips
session      requests without what it does unasked: redirects, cookies, .netrc, proxies
tls          which certificates are trusted
trouble      what may go wrong on the way, and its name
retry_after  how long a peer asks to be left alone
"""
