"""From the streams to whoever reads: over HTTP with acknowledgements (`pull`), or forwarded to a target
(`deliver`).

A consumer is a position in a stream plus its exceptions, one for each record that has a message out or held
back (`outstanding`); there is nothing per message. A position moves only after its messages are stored or in
the dead letters (P7). Not here: how a target is written (`targets`), what a user may set up (`management`).
"""
