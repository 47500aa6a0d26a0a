# Finds the processes that carry a mark in their environment. Its words: the mark, and `end` (kill the children of the first of them, which
# then collects them and ends), `kill` (all of them) or nothing.
# A line for each: number, ticks of the processor, kilobytes of memory, bytes of the file that it holds.
mark=FIREDRILL_STRESS=$1 what=${2:-}
for folder in /proc/[0-9]*; do
    grep -q "$mark" "$folder/environ" 2>/dev/null || continue
    number=${folder#/proc/} parent=0 memory=0 disk=0
    while read -r name value rest; do
        case $name in
            PPid:) parent=$value ;;
            VmRSS:) memory=$value ;;
        esac
    done 2>/dev/null <"$folder/status"
    # After the name in parentheses: state, parent, and the processor's ticks as the twelfth and thirteenth.
    read -r line 2>/dev/null <"$folder/stat" || continue
    # shellcheck disable=SC2086 # fields
    set -- ${line##*) }
    [ "$1" != Z ] || continue
    [ ! -e "$folder/fd/9" ] || disk=$(wc -c 2>/dev/null <"$folder/fd/9") || disk=0
    # Told before it is killed: a killed process tells nothing.
    echo "$number $((${12} + ${13})) $memory ${disk:-0}"
    case $what in
        end) [ "$parent" = 0 ] || kill -9 "$number" 2>/dev/null ;;
        kill) kill -9 "$number" 2>/dev/null ;;
    esac
done
exit 0
