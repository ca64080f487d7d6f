#!/bin/sh
# Each ban finds what it is for, and nothing in comments, tests and longer names.
set -eu
bans=$(dirname "$0")/bans.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/limbeck/base"
file=$work/limbeck/base/x.cpp
while read -r line; do
  echo "$line" > "$file"
  if sh "$bans" "$work" > /dev/null; then
    echo "not found: $line"
    exit 1
  fi
done << 'END'
std::regex word("a");
#include <regex>
torch::load(model, path);
module = torch::jit::load(path);
return system(command);
std::system("ls");
FILE* pipe = popen(command, "r");
execvp(name, arguments);
strcpy(to, from);
std::sprintf(text, "%d", n);
int n = atoi(text);
  sscanf(text, "%d", &n);
char* name = tmpnam(nullptr);
int die = rand() % 6;
END
cat > "$file" << 'END'
// std::regex, system("rm") and torch::load have no place here.
operating_system(x); file.system(1); my_strcpy(a); snprintf(text, 4, "x"); strand(io);
END
echo 'std::regex word("a");' > "$work/limbeck/base/x_test.cpp"
sh "$bans" "$work"
