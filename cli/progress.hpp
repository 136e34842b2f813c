/// Progress streams of the engine (behaviours 250): their objects out of any pieces, shown to the user, and their last
/// word, which may be an error.
#pragma once

#include <boost/json.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "cli/command.hpp"

namespace gantry::cli {

/// Cuts a stream of JSON objects, with any white space between them, into values.
class json_stream {
public:
  json_stream();
  ~json_stream();
  /// Errors: internal (no JSON) · those of `each`.
  result<> feed(std::string_view bytes, const std::function<result<>(const boost::json::value&)>& each);

private:
  std::unique_ptr<boost::json::stream_parser> parser_;
  bool inside_ = false;
};

/// Shows progress objects as they come.
class progress_display {
public:
  progress_display(std::ostream& out, bool terminal) : out_(out), terminal_(terminal) {}
  /// A sink for the client; false after an error.
  bool feed(std::string_view bytes);
  /// The stream's error, when it had one.
  result<> finish();

private:
  result<> show(const boost::json::value& message);

  std::ostream& out_;
  bool terminal_, open_line_ = false;
  json_stream objects_;
  error failure_{errc::ok, 0, {}};
};

/// "busybox" -> "busybox:latest"; what has a tag or a digest stays.
std::string with_default_tag(const std::string& image);
/// {"busybox", "latest"} of "busybox:latest"; {"r:5000/x", ""} of "r:5000/x".
std::pair<std::string, std::string> split_tag(const std::string& image);

/// POST /images/create, shown on stderr. Errors: those of the engine.
result<> pull_image(command_context& context, const std::string& image, const std::string& platform, bool quiet);

} // namespace gantry::cli
