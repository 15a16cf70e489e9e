"""The socket between the collector, which is root's and sees the host, and the front, which serves the network.

    front                          collector
    Page("/metrics", ...)    ->    PageAnswer(200, b"...", ...)      finished bytes; no report ever crosses
    Due("http://am:9093")    ->    DueAnswer(postings)               finished alerts
    Accepted(peer, keys)     ->    Done()

One request a connection: a frame, which is answered by a frame. `framing` bounds both, `messages` has the fixed set of
requests, typed and without code in them; `server` asks the kernel who the peer is. A front that is taken over can ask
for pages and alerts, and can say that an alert was delivered. It can make the collector do nothing else.
"""
