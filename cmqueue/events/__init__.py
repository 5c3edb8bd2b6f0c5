"""What an app is told: events of its messages, and of what people send back.

event         an event, and how it lies in a partition's stream; `types` are their types and patterns
subscription  reading the streams with a consumer group; `subscribers` are those there are
trimming      what of a stream goes, and when; `backlog`, whether a group is behind
handlers      the registry behind `@on`
calls         events on their way to one handler or endpoint, and the dead; `packed` is how one waits
"""
