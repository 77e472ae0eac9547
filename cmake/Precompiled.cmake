# What most sources read first, compiled once (SIGNET_PRECOMPILED). Not in the preset `dev`: there a source that forgets an include
# does not compile.
option(SIGNET_PRECOMPILED "Compile common headers of others once" OFF)
if(SIGNET_PRECOMPILED)
  add_library(signet_precompiled OBJECT cmake/precompiled.cpp)
  target_link_libraries(signet_precompiled PRIVATE signet_options signet_asio Boost::json)
  set(SIGNET_PRECOMPILED_HEADERS
    <algorithm> <array> <chrono> <cstdint> <expected> <filesystem> <functional> <map> <memory> <optional> <set> <span> <string>
    <string_view> <utility> <variant> <vector>
    <boost/asio/awaitable.hpp> <boost/asio/co_spawn.hpp> <boost/asio/io_context.hpp> <boost/asio/steady_timer.hpp>
    <boost/asio/thread_pool.hpp> <boost/asio/use_awaitable.hpp> <boost/json.hpp>)
  target_precompile_headers(signet_precompiled PRIVATE ${SIGNET_PRECOMPILED_HEADERS})
endif()

function(signet_precompiled target)
  if(SIGNET_PRECOMPILED)
    target_precompile_headers(${target} REUSE_FROM signet_precompiled)
  endif()
endfunction()
