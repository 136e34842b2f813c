#include "runtime/seccomp_compact.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <optional>
#include <set>

namespace gantry::runtime {

namespace {

constexpr std::uint32_t nr_offset = offsetof(seccomp_data, nr), arch_offset = offsetof(seccomp_data, arch);
/// A conditional jump goes at most this far.
constexpr std::size_t jump_max = 255;

error unsupported(const char* what) { return error{errc::not_implemented, 0, std::string("seccomp program: ") + what}; }

/// What the program answers for a number: an action, or that it looks at arguments from instruction `at` on.
struct answer {
  bool looks_at_arguments = false;
  std::uint32_t value = 0; ///< an action, or the instruction
  friend auto operator<=>(const answer&, const answer&) = default;
};

class reader {
public:
  explicit reader(std::string_view bytes) : code_(bytes.size() / sizeof(sock_filter)) {
    std::memcpy(code_.data(), bytes.data(), code_.size() * sizeof(sock_filter));
  }

  const std::vector<sock_filter>& code() const { return code_; }

  /// Only loads of nr and arch, comparisons with constants and returns may stand before arguments are looked at: then
  /// the answer changes only at the constants, and all of them are tried.
  result<answer> run(std::uint32_t arch, std::uint32_t nr) const {
    std::uint32_t a = 0;
    for (std::size_t pc = 0; pc < code_.size(); ++pc) {
      const auto& i = code_[pc];
      if (i.code == (BPF_LD | BPF_W | BPF_ABS)) {
        if (i.k == nr_offset)
          a = nr;
        else if (i.k == arch_offset)
          a = arch;
        else
          return answer{true, static_cast<std::uint32_t>(pc)};
      } else if (i.code == (BPF_RET | BPF_K)) {
        return answer{false, i.k};
      } else if (i.code == (BPF_JMP | BPF_JA)) {
        pc += i.k;
      } else if (i.code == (BPF_JMP | BPF_JEQ | BPF_K)) {
        pc += a == i.k ? i.jt : i.jf;
      } else if (i.code == (BPF_JMP | BPF_JGT | BPF_K)) {
        pc += a > i.k ? i.jt : i.jf;
      } else if (i.code == (BPF_JMP | BPF_JGE | BPF_K)) {
        pc += a >= i.k ? i.jt : i.jf;
      } else {
        return unsupported("an instruction before the arguments that libseccomp does not write");
      }
    }
    return unsupported("no end");
  }

  /// Numbers at which an answer may change.
  std::set<std::uint32_t> breakpoints() const {
    std::set<std::uint32_t> out{0};
    for (const auto& i : code_) {
      if (BPF_CLASS(i.code) != BPF_JMP || BPF_OP(i.code) == BPF_JA) continue;
      out.insert(i.k);
      if (i.k != 0xffffffff) out.insert(i.k + 1);
    }
    return out;
  }

private:
  std::vector<sock_filter> code_;
};

struct piece {
  std::uint32_t from;
  answer what;
};

/// Writes a program from its end: a jump goes forward, so its target has a place by then.
class writer {
public:
  explicit writer(const reader& original) : original_(original) {}

  /// Distance from the end of the finished program.
  using place = std::size_t;

  place push(std::uint16_t code, std::uint32_t k, std::uint8_t jt = 0, std::uint8_t jf = 0) {
    backwards_.push_back(sock_filter{code, jt, jf, k});
    return backwards_.size() - 1;
  }

  /// An instruction that gives this answer, near enough for a conditional jump of the next `slack` instructions.
  place reach(const answer& what, std::size_t slack = 4) {
    if (const auto found = nearest_.find(what); found != nearest_.end()) {
      if (backwards_.size() - found->second + slack <= jump_max) return found->second;
      if (what.looks_at_arguments) return nearest_[what] = jump_to(found->second);
    } else if (what.looks_at_arguments) {
      copy_from(what.value);
      return nearest_[what] = blocks_.at(what.value);
    }
    return nearest_[what] = push(BPF_RET | BPF_K, what.value);
  }

  /// A conditional jump to two places.
  place branch(std::uint16_t operation, std::uint32_t k, place yes, place no) {
    if (distance(yes) > jump_max) yes = jump_to(yes);
    if (distance(no) > jump_max) no = jump_to(no);
    if (distance(yes) > jump_max) yes = jump_to(yes); // the jump for `no` may have moved it out of reach
    return push(static_cast<std::uint16_t>(BPF_JMP | operation | BPF_K), k, static_cast<std::uint8_t>(distance(yes)),
                static_cast<std::uint8_t>(distance(no)));
  }

  /// The following instruction of the next one pushed is `target`.
  void fall_to(place target) {
    if (distance(target) != 0) jump_to(target);
  }

  std::string finish() const {
    std::string out;
    for (auto i = backwards_.rbegin(); i != backwards_.rend(); ++i)
      out.append(reinterpret_cast<const char*>(&*i), sizeof *i);
    return out;
  }

private:
  /// Instructions between the next one pushed and `target`.
  [[nodiscard]] std::size_t distance(place target) const { return backwards_.size() - target - 1; }
  place jump_to(place target) { return push(BPF_JMP | BPF_JA, static_cast<std::uint32_t>(distance(target))); }

  /// Copies what can be reached from `start` in the original.
  void copy_from(std::uint32_t start) {
    const auto& code = original_.code();
    std::set<std::uint32_t> wanted, todo{start};
    while (!todo.empty()) {
      const auto pc = *todo.begin();
      todo.erase(todo.begin());
      if (blocks_.contains(pc) || !wanted.insert(pc).second || pc >= code.size()) continue;
      const auto& i = code[pc];
      if (BPF_CLASS(i.code) == BPF_RET) continue;
      if (BPF_CLASS(i.code) != BPF_JMP)
        todo.insert(pc + 1);
      else if (BPF_OP(i.code) == BPF_JA)
        todo.insert(pc + 1 + i.k);
      else
        todo.insert({pc + 1 + i.jt, pc + 1 + i.jf});
    }
    for (auto pc = wanted.rbegin(); pc != wanted.rend(); ++pc) blocks_[*pc] = copy(*pc);
  }

  place copy(std::uint32_t pc) {
    const auto& i = original_.code()[pc];
    if (BPF_CLASS(i.code) == BPF_RET) return reach(answer{false, i.k}, 0);
    if (BPF_CLASS(i.code) == BPF_JMP) {
      if (BPF_OP(i.code) == BPF_JA) return blocks_.at(pc + 1 + i.k);
      return branch(BPF_OP(i.code), i.k, blocks_.at(pc + 1 + i.jt), blocks_.at(pc + 1 + i.jf));
    }
    fall_to(blocks_.at(pc + 1));
    return push(i.code, i.k);
  }

  const reader& original_;
  std::vector<sock_filter> backwards_;
  std::map<answer, place> nearest_;
  std::map<std::uint32_t, place> blocks_; ///< copied instructions of the original
};

result<std::vector<piece>> pieces_of(const reader& original, const seccomp_table& table) {
  auto points = original.breakpoints();
  const auto& over = table.overrides;
  for (const auto& [nr, action] : over.actions) points.insert({nr, nr + 1});
  if (over.newer_from < over.newer_to) points.insert({over.newer_from, over.newer_to});
  std::vector<piece> out;
  for (const auto nr : points) {
    answer what;
    if (const auto found = over.actions.find(nr); found != over.actions.end())
      what = {false, found->second};
    else if (nr >= over.newer_from && nr < over.newer_to)
      what = {false, over.newer_action};
    else {
      GANTRY_TRY(ran, original.run(table.arch, nr));
      what = ran;
    }
    if (out.empty() || out.back().what != what) out.push_back({nr, what});
  }
  return out;
}

/// A balanced search for the piece that a number (in the accumulator) lies in.
writer::place write_tree(writer& w, const std::vector<piece>& pieces, std::size_t from, std::size_t to) {
  if (to - from == 1) return w.reach(pieces[from].what);
  const std::size_t middle = from + (to - from) / 2;
  // A single number between two pieces of the same answer is one comparison.
  if (to - from == 3 && pieces[from].what == pieces[from + 2].what &&
      pieces[from + 2].from == pieces[from + 1].from + 1) {
    const auto yes = w.reach(pieces[from + 1].what), no = w.reach(pieces[from].what);
    return w.branch(BPF_JEQ, pieces[from + 1].from, yes, no);
  }
  const auto above = write_tree(w, pieces, middle, to);
  const auto below = write_tree(w, pieces, from, middle);
  return w.branch(BPF_JGE, pieces[middle].from, above, below);
}

/// An architecture that nobody has.
constexpr std::uint32_t no_arch = 0x7ffffffe;

} // namespace

result<std::string> compact_seccomp(std::string_view program, const std::vector<seccomp_table>& tables) {
  const reader original(program);
  GANTRY_TRY(other, original.run(no_arch, 0));
  if (other.looks_at_arguments) return unsupported("arguments of an unknown architecture");
  writer w(original);
  std::vector<std::pair<std::uint32_t, writer::place>> entries;
  for (const auto& table : tables) {
    GANTRY_TRY(pieces, pieces_of(original, table));
    w.fall_to(write_tree(w, pieces, 0, pieces.size()));
    entries.emplace_back(table.arch, w.push(BPF_LD | BPF_W | BPF_ABS, nr_offset));
  }
  auto next = w.reach(other);
  for (const auto& [arch, entry] : entries) next = w.branch(BPF_JEQ, arch, entry, next);
  w.fall_to(next);
  w.push(BPF_LD | BPF_W | BPF_ABS, arch_offset);
  return w.finish();
}

} // namespace gantry::runtime
