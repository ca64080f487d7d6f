// limbeck <command>: one file per command; this one only picks it and turns errors into exit codes.
int main() { return 0; }
