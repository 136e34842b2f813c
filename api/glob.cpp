#include "api/glob.hpp"

namespace gantry::api {

namespace {

/// One character of a class, perhaps escaped; false at the pattern's end or before `]` and `-`.
bool take_class_char(std::string_view& pattern, char& out) {
  if (pattern.empty() || pattern[0] == '-' || pattern[0] == ']') return false;
  if (pattern[0] == '\\') {
    pattern.remove_prefix(1);
    if (pattern.empty()) return false;
  }
  out = pattern[0];
  pattern.remove_prefix(1);
  return true;
}

struct one_step {
  bool valid = false, fits = false;
};

/// Takes one element other than `*` off the pattern and says whether it fits `c`.
one_step take_element(std::string_view& pattern, char c) {
  char first = pattern[0];
  pattern.remove_prefix(1);
  if (first == '?') return {true, c != '/'};
  if (first == '\\') {
    if (pattern.empty()) return {};
    bool fits = pattern[0] == c;
    pattern.remove_prefix(1);
    return {true, fits};
  }
  if (first != '[') return {true, first == c};
  bool negated = !pattern.empty() && pattern[0] == '^';
  if (negated) pattern.remove_prefix(1);
  bool found = false;
  for (bool any = false;; any = true) {
    if (any && !pattern.empty() && pattern[0] == ']') break;
    char low = 0;
    if (!take_class_char(pattern, low)) return {};
    char high = low;
    if (!pattern.empty() && pattern[0] == '-') {
      pattern.remove_prefix(1);
      if (!take_class_char(pattern, high)) return {};
    }
    if (low <= c && c <= high) found = true;
  }
  pattern.remove_prefix(1);
  return {true, found != negated};
}

} // namespace

bool glob_valid(std::string_view pattern) {
  while (!pattern.empty()) {
    if (pattern[0] == '*') {
      pattern.remove_prefix(1);
    } else if (!take_element(pattern, 'x').valid) {
      return false;
    }
  }
  return true;
}

bool glob_match(std::string_view pattern, std::string_view text) {
  // On a mismatch only the last `*` seen need take one character more: earlier ones cannot help.
  std::string_view star_pattern, star_text;
  bool starred = false;
  while (true) {
    if (!pattern.empty() && pattern[0] == '*') {
      pattern.remove_prefix(1);
      star_pattern = pattern;
      star_text = text;
      starred = true;
      continue;
    }
    if (pattern.empty() && text.empty()) return true;
    if (!pattern.empty() && !text.empty()) {
      auto rest = pattern;
      auto step = take_element(rest, text[0]);
      if (!step.valid) return false;
      if (step.fits) {
        pattern = rest;
        text.remove_prefix(1);
        continue;
      }
    }
    if (!starred || star_text.empty() || star_text[0] == '/') return false;
    star_text.remove_prefix(1);
    pattern = star_pattern;
    text = star_text;
  }
}

} // namespace gantry::api
