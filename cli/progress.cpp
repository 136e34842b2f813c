/// Progress streams.
#include "cli/progress.hpp"

#include "cli/terminal.hpp"

namespace gantry::cli {

namespace json = boost::json;

json_stream::json_stream() : parser_(std::make_unique<json::stream_parser>()) {}
json_stream::~json_stream() = default;

result<> json_stream::feed(std::string_view bytes, const std::function<result<>(const json::value&)>& each) {
  while (!bytes.empty()) {
    if (!inside_) {
      const auto start = bytes.find_first_not_of(" \t\r\n");
      if (start == std::string_view::npos) return {};
      bytes.remove_prefix(start);
      inside_ = true;
    }
    boost::system::error_code code;
    const auto used = parser_->write_some(bytes.data(), bytes.size(), code);
    if (code) return error{errc::internal, 0, "the engine's progress is no JSON: " + code.message()};
    bytes.remove_prefix(used);
    if (!parser_->done()) continue;
    const json::value value = parser_->release();
    parser_->reset();
    inside_ = false;
    GANTRY_TRYV(each(value));
  }
  return {};
}

result<> progress_display::show(const json::value& message) {
  std::string failed = member::text(message, {"errorDetail", "message"});
  if (failed.empty()) failed = member::text(message, {"error"});
  if (!failed.empty()) return error{errc::internal, 0, failed};
  const auto end_line = [this] {
    if (open_line_) out_ << "\r\x1b[K";
    open_line_ = false;
  };
  if (const auto text = member::text(message, {"stream"}); !text.empty()) {
    end_line();
    out_ << text << std::flush;
    return {};
  }
  const std::string id = member::text(message, {"id"}), status = member::text(message, {"status"});
  const std::string line = (id.empty() ? "" : id + ": ") + status;
  const std::string bar = member::text(message, {"progress"});
  if (bar.empty()) {
    end_line();
    if (!line.empty()) out_ << line << '\n' << std::flush;
  } else if (terminal_) {
    // One line that is written over: enough to see that it moves.
    out_ << "\r\x1b[K" << line << " " << bar << std::flush;
    open_line_ = true;
  }
  return {};
}

bool progress_display::feed(std::string_view bytes) {
  auto shown = objects_.feed(bytes, [this](const json::value& message) { return show(message); });
  if (shown.has_error()) failure_ = std::move(shown).error();
  return failure_.code == errc::ok;
}

result<> progress_display::finish() {
  if (open_line_) out_ << "\r\x1b[K";
  open_line_ = false;
  out_.flush();
  if (failure_.code != errc::ok) return failure_;
  return {};
}

std::pair<std::string, std::string> split_tag(const std::string& image) {
  const auto colon = image.rfind(':');
  const auto slash = image.rfind('/');
  if (colon == std::string::npos || (slash != std::string::npos && slash > colon)) return {image, ""};
  return {image.substr(0, colon), image.substr(colon + 1)};
}

std::string with_default_tag(const std::string& image) {
  if (image.find('@') != std::string::npos || !split_tag(image).second.empty()) return image;
  return image + ":latest";
}

result<> pull_image(command_context& context, const std::string& image, const std::string& platform, bool quiet) {
  target where{"/images/create"};
  if (const auto at = image.find('@'); at != std::string::npos) {
    where.with("fromImage", split_tag(image.substr(0, at)).first).with("tag", image.substr(at + 1));
  } else {
    const auto [name, tag] = split_tag(with_default_tag(image));
    where.with("fromImage", name).with("tag", tag);
  }
  where.with_if(!platform.empty(), "platform", platform);
  std::ostream nowhere(nullptr);
  progress_display display(quiet ? nowhere : context.err, is_terminal(context.err_fd));
  GANTRY_TRYV(context.engine.stream("POST", where, [&](std::string_view bytes) { return display.feed(bytes); }));
  return display.finish();
}

} // namespace gantry::cli
