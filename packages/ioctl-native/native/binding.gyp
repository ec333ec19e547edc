{
  "targets": [
    {
      "target_name": "ioctl_native",
      "sources": [
        "src/addon.cc",
        "src/bulk-registers.cc",
        "src/datagrams.cc",
        "src/files.cc",
        "src/mapping.cc",
        "src/packets.cc",
        "src/registers.cc",
        "src/sockets.cc",
        "src/watcher.cc"
      ],
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": ["NAPI_VERSION=8", "NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS", "_FILE_OFFSET_BITS=64"],
      "cflags": ["-Wall", "-Wextra", "-Werror", "-O2", "-fvisibility=hidden", "-fstack-protector-strong"],
      "cflags_cc": ["-std=c++17"],
      "ldflags": ["-Wl,-z,relro,-z,now"]
    }
  ]
}
