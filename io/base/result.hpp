/// The one shape of an expected failure: `result<T>` carries a value, or an `error` that says what the caller can do
/// about it (its class), which errno the kernel gave, and in words what failed on which object.
#pragma once

#include <boost/system/result.hpp>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>

namespace gantry {

/// What a caller can do about an error. 0 is no error, because CAF reads it so.
enum class errc : std::uint8_t {
  ok = 0,
  invalid_parameter, ///< the caller's input is wrong; the same call fails again
  not_found,         ///< the named thing does not exist
  conflict,          ///< the thing's state forbids it
  not_modified,      ///< nothing to do: the state asked for is the present one
  unauthorized,
  forbidden,
  unavailable,     ///< try again later: overload, shutting down, a peer is away
  not_implemented, ///< a part of the interface that this version lacks
  internal,        ///< anything else; `sys_errno` often says more
};

/// `message` reads "verb `object`: cause", as the reply to a client shows it. Docker's exact texts stand as they are.
struct error {
  errc code = errc::internal;
  int sys_errno = 0;
  std::string message;

  friend bool operator==(const error&, const error&) = default;
};

template <class T = void>
using result = boost::system::result<T, error>;

/// `error` from the present errno: "what: No such file or directory".
inline error sys_error(std::string what, int err, errc code = errc::internal) {
  what += ": ";
  what += std::strerror(err);
  return error{code, err, std::move(what)};
}

/// Puts the caller's words before an error on its way out: "start `c0ffee`: " + message.
inline error with_context(error e, const std::string& prefix) {
  e.message.insert(0, prefix);
  return e;
}

/// boost::system::result calls this when `value()` is asked of an error: a broken invariant, not an expected failure.
[[noreturn]] void throw_exception_from_error(const error& e, const boost::source_location& where);

} // namespace gantry

#define GANTRY_CONCAT_(a, b) a##b
#define GANTRY_CONCAT(a, b) GANTRY_CONCAT_(a, b)

/// GANTRY_TRY(name, expr): returns the error of `expr`, else names its value.
#define GANTRY_TRY(name, ...)                                                                                          \
  auto GANTRY_CONCAT(gantry_try_, __LINE__) = (__VA_ARGS__);                                                           \
  if (GANTRY_CONCAT(gantry_try_, __LINE__).has_error())                                                                \
    return std::move(GANTRY_CONCAT(gantry_try_, __LINE__)).error();                                                    \
  auto name = std::move(GANTRY_CONCAT(gantry_try_, __LINE__)).value()

/// GANTRY_TRYV(expr): the same for `result<void>`, or where the value is not wanted.
#define GANTRY_TRYV(...)                                                                                               \
  do {                                                                                                                 \
    auto gantry_tryv_ = (__VA_ARGS__);                                                                                 \
    if (gantry_tryv_.has_error()) return std::move(gantry_tryv_).error();                                              \
  } while (0)
