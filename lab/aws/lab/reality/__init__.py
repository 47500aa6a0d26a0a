"""Reality: what the books of moto say is made true. A process for each running instance, HAProxy for each listener, lost packets for each
subnet whose ACL lets nothing through.

One function (`real.tend`) compares what should be with what is, after every change and twenty times a second, and puts it right. Nothing
here is told what happened: it looks, so nothing can be missed."""
