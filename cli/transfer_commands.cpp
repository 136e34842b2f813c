/// load, import and pull: images from elsewhere.
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

#include "cli/command.hpp"
#include "cli/progress.hpp"
#include "cli/terminal.hpp"
#include "cli/values.hpp"

namespace gantry::cli {
namespace {

constexpr std::size_t piece_bytes = 256u << 10;

/// The bytes of a descriptor that outlives the source.
body_source source_of(int fd) {
  return [fd]() -> result<std::string> {
    std::string piece(piece_bytes, '\0');
    for (;;) {
      const ssize_t got = ::read(fd, piece.data(), piece.size());
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return sys_error("read the archive", errno);
      piece.resize(static_cast<std::size_t>(got));
      return piece;
    }
  };
}

result<unique_fd> open_archive(const std::string& path) {
  unique_fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return error{errc::not_found, errno, "open " + path + ": " + errno_text(errno)};
  return fd;
}

result<> send_archive(command_context& context, const target& where, const char* type, int fd) {
  progress_display display(context.out, is_terminal(context.out_fd));
  GANTRY_TRYV(
      context.engine.upload(where, type, source_of(fd), [&](std::string_view bytes) { return display.feed(bytes); }));
  return display.finish();
}

} // namespace

result<int> load_command(command_context& context, const command& self, const string_list& arguments) {
  std::string input, platform;
  bool quiet = false;
  flag_set flags;
  flags.text(input, "input", 'i', "Read from tar archive file, instead of STDIN");
  flags.boolean(quiet, "quiet", 'q', "Suppress the load output");
  flags.text(platform, "platform", 0, "Load only the given platform variant");
  auto parsed = parse_arguments(context, self, flags, arguments);
  if (parsed.exit) return *parsed.exit;
  unique_fd file;
  if (!input.empty()) {
    GANTRY_TRY(opened, open_archive(input));
    file = std::move(opened);
  } else if (is_terminal(context.in_fd)) {
    return error{errc::invalid_parameter, 0, "requested load from stdin, but stdin is empty"};
  }
  target where{"/images/load"};
  // Progress is for someone who looks on.
  where.with("quiet", quiet || !is_terminal(context.out_fd) ? "1" : "0");
  if (!platform.empty()) return error{errc::not_implemented, 0, "--platform is not supported by load"};
  GANTRY_TRYV(send_archive(context, where, "application/x-tar", file ? file.get() : context.in_fd));
  return 0;
}

result<int> import_command(command_context& context, const command& self, const string_list& arguments) {
  string_list changes;
  std::string message, platform;
  flag_set flags;
  flags.list(changes, "change", 'c', "Apply Dockerfile instruction to the created image");
  flags.text(message, "message", 'm', "Set commit message for imported image");
  flags.text(platform, "platform", 0, "Set platform if server is multi-platform capable");
  auto parsed = parse_arguments(context, self, flags, arguments);
  if (parsed.exit) return *parsed.exit;
  const std::string& source = parsed.rest[0];
  const bool is_url = source.starts_with("http://") || source.starts_with("https://");
  target where{"/images/create"};
  where.with("fromSrc", is_url ? source : "-");
  where.with_if(parsed.rest.size() > 1, "repo", parsed.rest.size() > 1 ? parsed.rest[1] : "");
  for (const auto& change : changes) where.with("changes", change);
  where.with_if(!message.empty(), "message", message).with_if(!platform.empty(), "platform", platform);
  if (is_url) {
    progress_display display(context.out, is_terminal(context.out_fd));
    GANTRY_TRYV(context.engine.stream("POST", where, [&](std::string_view bytes) { return display.feed(bytes); }));
    GANTRY_TRYV(display.finish());
    return 0;
  }
  unique_fd file;
  if (source != "-") {
    GANTRY_TRY(opened, open_archive(source));
    file = std::move(opened);
  }
  GANTRY_TRYV(send_archive(context, where, "text/plain", file ? file.get() : context.in_fd));
  return 0;
}

result<int> pull_command(command_context& context, const command& self, const string_list& arguments) {
  bool quiet = false;
  std::string platform;
  flag_set flags;
  flags.boolean(quiet, "quiet", 'q', "Suppress verbose output");
  flags.text(platform, "platform", 0, "Set platform if server is multi-platform capable");
  flags.add({"disable-content-trust", 0, "", "", "true", "", [](const std::string&) -> result<> { return {}; }});
  auto parsed = parse_arguments(context, self, flags, arguments);
  if (parsed.exit) return *parsed.exit;
  const std::string& image = parsed.rest[0];
  if (!quiet && with_default_tag(image) != image) context.out << "Using default tag: latest\n" << std::flush;
  command_context to_out{context.engine, context.out, context.out, context.in_fd, context.out_fd, context.out_fd};
  GANTRY_TRYV(pull_image(to_out, image, platform, quiet));
  if (quiet) context.out << with_default_tag(image) << '\n';
  return 0;
}

} // namespace gantry::cli
