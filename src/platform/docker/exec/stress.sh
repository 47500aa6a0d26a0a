# Keeps a container busy. Its words: busy loops, bytes of memory, bytes of disk, seconds after which all of it ends by itself.
# Every process carries the mark FIREDRILL_STRESS in its environment and is a child of the first one, which collects them at their end.
first=$$ cpu=$1 memory=$2 disk=$3 seconds=$4 loops=
sleep "$seconds" &
timer=$!
while [ "$cpu" -gt 0 ]; do
    (
        while kill -0 "$first" 2>/dev/null; do
            n=0
            while [ "$n" -lt 20000 ]; do n=$((n + 1)); done
        done
    ) &
    loops="$loops $!"
    cpu=$((cpu - 1))
done
if [ "$memory" -gt 0 ]; then
    # The reader keeps the end of what it reads until there is no more: here all of it, until the sleep is over.
    (
        head -c "$memory" /dev/zero
        exec sleep "$seconds"
    ) | tail -c "$memory" >/dev/null &
fi
if [ "$disk" -gt 0 ]; then
    (
        for folder in /var/tmp /tmp .; do
            file=$folder/.$FIREDRILL_STRESS
            if (: >"$file") 2>/dev/null; then
                # It loses its name before it has a byte: however this process ends, its bytes are free again.
                exec 9>"$file"
                rm -f "$file"
                head -c "$disk" /dev/zero >&9
                exec sleep "$seconds"
            fi
        done
    ) &
fi
wait "$timer"
# shellcheck disable=SC2086 # one word a process
[ -z "$loops" ] || kill -9 $loops 2>/dev/null
wait
