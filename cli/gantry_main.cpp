/// The client program.
#include "cli/command.hpp"

int main(int argc, char** argv) { return gantry::cli::client_main(argc, argv); }
