#include "actors/name_generator.hpp"

#include <array>
#include <random>
#include <string_view>

namespace gantry::actors {

namespace {

constexpr auto adjectives = std::to_array<std::string_view>(
    {"able",     "agile",   "amber",   "ample",    "awake",   "bold",    "brave",    "breezy",   "bright",   "brisk",
     "calm",     "candid",  "careful", "cheerful", "civil",   "clear",   "clever",   "cosmic",   "crisp",    "curious",
     "daring",   "deft",    "eager",   "earnest",  "elated",  "fair",    "fearless", "fervent",  "fluent",   "focused",
     "friendly", "gallant", "gentle",  "gifted",   "glad",    "golden",  "graceful", "handy",    "happy",    "hardy",
     "hearty",   "honest",  "humble",  "jolly",    "jovial",  "keen",    "kind",     "lively",   "logical",  "loyal",
     "lucid",    "lucky",   "mellow",  "merry",    "mighty",  "modest",  "neat",     "nimble",   "noble",    "patient",
     "peaceful", "placid",  "playful", "polite",   "prompt",  "proud",   "quick",    "quiet",    "ready",    "relaxed",
     "robust",   "serene",  "sharp",   "silent",   "sincere", "smart",   "snappy",   "solid",    "spirited", "steady",
     "stoic",    "subtle",  "sunny",   "swift",    "tender",  "thrifty", "tidy",     "tranquil", "trusty",   "upbeat",
     "useful",   "valiant", "vibrant", "vigilant", "vivid",   "warm",    "wise",     "witty",    "zealous",  "zesty"});

constexpr auto surnames = std::to_array<std::string_view>(
    {"abel",       "ampere",     "archimedes", "babbage",  "bardeen",   "bell",       "bernoulli",  "bohr",
     "boltzmann",  "boole",      "born",       "brahe",    "carson",    "cauchy",     "cerf",       "chandra",
     "church",     "codd",       "copernicus", "curie",    "darwin",    "davinci",    "dijkstra",   "dirac",
     "eckert",     "edison",     "einstein",   "elion",    "engelbart", "euclid",     "euler",      "faraday",
     "fermat",     "fermi",      "feynman",    "fourier",  "franklin",  "galileo",    "galois",     "gauss",
     "germain",    "goedel",     "goodall",    "gosset",   "hamilton",  "hawking",    "heisenberg", "hertz",
     "herschel",   "hilbert",    "hodgkin",    "hopper",   "hubble",    "hypatia",    "johnson",    "joule",
     "kalman",     "kepler",     "khayyam",    "kilby",    "knuth",     "kowalevski", "lagrange",   "lalande",
     "lamarr",     "laplace",    "leavitt",    "leibniz",  "liskov",    "lovelace",   "mayer",      "maxwell",
     "mccarthy",   "mcclintock", "meitner",    "mendel",   "mendeleev", "minsky",     "mirzakhani", "moore",
     "morse",      "napier",     "neumann",    "newton",   "noether",   "pascal",     "pasteur",    "pauli",
     "perlman",    "planck",     "poincare",   "raman",    "ramanujan", "rayleigh",   "riemann",    "ritchie",
     "rutherford", "sagan",      "shannon",    "shockley", "sinoussi",  "snyder",     "tesla",      "thompson",
     "torvalds",   "turing",     "volta",      "wiles",    "wilson",    "wing",       "wozniak",    "wright",
     "wu",         "yalow",      "yonath",     "zhukovsky"});

std::size_t below(std::size_t bound) {
  thread_local std::minstd_rand random{std::random_device{}()};
  return std::uniform_int_distribution<std::size_t>{0, bound - 1}(random);
}

} // namespace

std::string generate_name() {
  for (;;) {
    auto adjective = adjectives[below(adjectives.size())];
    auto surname = surnames[below(surnames.size())];
    if (adjective == "boring" && surname == "wozniak") continue; // Docker's promise, should the word ever be added
    return std::string(adjective) + '_' + std::string(surname);
  }
}

std::string random_digit() { return std::to_string(below(10)); }

} // namespace gantry::actors
