#!/bin/sh
# The program's surface: every help screen fits one screen and ends with examples, shells accept the
# completions, the manual is the one in docs, colour is where it belongs. surface.sh LIMBECK SOURCE
set -eu
limbeck=$1 source=$2
fail() { echo "$*"; exit 1; }
export COLUMNS=100

commands=$("$limbeck" --help | awk '/^Commands:/ {on = 1; next} /^$/ {on = 0} on {print $1}')
[ "$(echo "$commands" | wc -l)" -ge 15 ] || fail "too few commands on the help screen"
for command in $commands; do
  "$limbeck" "$command" --help > help.txt
  [ "$(wc -l < help.txt)" -le 40 ] || fail "$command --help has $(wc -l < help.txt) lines"
  sed '/^Examples:/,$d' help.txt | awk -v c="$command" 'length > 100 {print c ": wide: " $0; bad = 1} END {exit bad}'
  [ "$(sed -n '/^Examples:/,$p' help.txt | grep -c 'limbeck ')" -ge 2 ] || fail "$command --help does not end with two examples"
  [ "$("$limbeck" help "$command")" = "$(cat help.txt)" ] || fail "help $command differs"
done

"$limbeck" completion bash > completion.bash
bash -n completion.bash
# As a shell would ask: options of compare that begin with --bi.
found=$(bash -c '. ./completion.bash; COMP_WORDS=(limbeck compare --bi); COMP_CWORD=2; _limbeck; echo ${COMPREPLY[*]}')
[ "$found" = "--bits --bits-method" ] || fail "bash completes --bi to: $found"
found=$(bash -c '. ./completion.bash; COMP_WORDS=(limbeck comp); COMP_CWORD=1; _limbeck; echo ${COMPREPLY[*]}')
[ "$found" = "compare completion" ] || [ "$found" = "completion compare" ] || fail "bash completes comp to: $found"
"$limbeck" completion zsh > completion.zsh
if command -v zsh > /dev/null; then zsh -n completion.zsh; fi
"$limbeck" completion fish > completion.fish
if command -v fish > /dev/null; then fish -n completion.fish; fi

"$limbeck" manual > limbeck.1
if command -v mandoc > /dev/null; then mandoc -Tlint -Wwarning limbeck.1; fi
if command -v groff > /dev/null; then groff -man -ww -Tutf8 limbeck.1 > /dev/null; fi
"$limbeck" manual markdown > commands.md
diff -u "$source/docs/commands.md" commands.md || fail "docs/commands.md is old: limbeck manual markdown > docs/commands.md"

escape=$(printf '\033')
CLICOLOR_FORCE=1 "$limbeck" nonsense 2>&1 | grep -q "$escape" || fail "CLICOLOR_FORCE=1 gives no colour"
if CLICOLOR_FORCE=1 NO_COLOR=1 "$limbeck" nonsense 2>&1 | grep -q "$escape"; then fail "NO_COLOR is not heeded"; fi
if "$limbeck" nonsense 2>&1 | grep -q "$escape"; then fail "colour in a pipe"; fi
COLUMNS=60 "$limbeck" compare --help | sed '/^Examples:/,$d' | awk 'length > 62 {print; bad = 1} END {exit bad}' || fail "COLUMNS=60 is not heeded"
echo "surface ok: $(echo "$commands" | wc -w) commands"
