// The one translation unit of each test program that holds Catch2's main; its seed is printed by Catch2 itself.
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
