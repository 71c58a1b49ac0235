#!/usr/bin/env bash
# What the tests need of the system (Debian, Ubuntu): the libraries of a napari window under a virtual display, and
# dicom3tools, whose dciodvfy judges the DICOM files that medseg writes.
# Installs what is missing where that is allowed; else says in one line what to run.
set -euo pipefail
packages="xvfb xauth libgl1 libegl1 libopengl0 libglx-mesa0 libgl1-mesa-dri libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4
 libxcb-image0 libxcb-keysyms1 libxcb-randr0 libxcb-render-util0 libxcb-shape0 libxcb-xinerama0 libdbus-1-3 libfontconfig1 dicom3tools"

[ "$(uname -s)" = Linux ] || exit 0
if ! command -v dpkg-query >/dev/null 2>&1; then
  command -v xvfb-run >/dev/null 2>&1 || echo "The viewer tests need xvfb-run and OpenGL: install Xvfb and Mesa with your package manager."
  exit 0
fi
missing=""
for package in $packages; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ]; then
  apt-get update -qq >/dev/null
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
elif sudo -n true 2>/dev/null; then
  sudo apt-get update -qq >/dev/null
  sudo DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
else
  echo "The viewer tests need system libraries. Run: sudo apt-get install$missing"
fi
