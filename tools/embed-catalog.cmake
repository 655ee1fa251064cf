# SPDX-License-Identifier: Apache-2.0
# Writes OUTPUT, a C++ source with the text of every .yaml file below ROOT (see sim/scenario/embedded_catalog.hpp).
# Usage: cmake -DOUTPUT=<file.cpp> -DROOT=<catalogue folder> -P embed-catalog.cmake
if(NOT OUTPUT OR NOT ROOT)
  message(FATAL_ERROR "embed-catalog: OUTPUT and ROOT are required")
endif()

file(GLOB_RECURSE files RELATIVE ${ROOT} ${ROOT}/*.yaml)
set(names "")
foreach(file IN LISTS files)
  string(REGEX REPLACE "\\.yaml$" "" name "${file}")
  list(APPEND names "${name}")
endforeach()
list(SORT names COMPARE STRING CASE SENSITIVE) # bytewise: the program searches by bisection

set(delimiter "~catalog~")
set(piece_limit 12000) # bytes; compilers need not accept literals beyond 16 KB

set(code "// Written by tools/embed-catalog.cmake.\n#include \"sim/scenario/embedded_catalog.hpp\"\n\n")
string(APPEND code "namespace sim::scenario {\nnamespace {\nusing namespace std::string_view_literals;\n")
string(APPEND code "constexpr EmbeddedEntry entries[] = {\n    {\"\"sv, \"\"sv}, // never found: an array has no length 0\n")
foreach(name IN LISTS names)
  file(READ "${ROOT}/${name}.yaml" text)
  string(FIND "${text}" ")${delimiter}\"" clash)
  if(NOT clash EQUAL -1)
    message(FATAL_ERROR "embed-catalog: ${name}.yaml holds the delimiter )${delimiter}\"")
  endif()
  string(APPEND code "    {\"${name}\"sv,\n")
  string(LENGTH "${text}" left)
  set(pieces "")
  while(left GREATER piece_limit)
    # Cut behind a line, so that no character is cut in two.
    string(SUBSTRING "${text}" 0 ${piece_limit} piece)
    string(FIND "${piece}" "\n" cut REVERSE)
    if(cut EQUAL -1)
      message(FATAL_ERROR "embed-catalog: ${name}.yaml has a line of more than ${piece_limit} bytes")
    endif()
    math(EXPR cut "${cut} + 1")
    string(SUBSTRING "${text}" 0 ${cut} piece)
    string(SUBSTRING "${text}" ${cut} -1 text)
    string(LENGTH "${text}" left)
    string(APPEND pieces "R\"${delimiter}(${piece})${delimiter}\"\n")
  endwhile()
  string(APPEND code "${pieces}R\"${delimiter}(${text})${delimiter}\"sv},\n")
endforeach()
string(APPEND code "};\n} // namespace\n\n")
string(APPEND code "std::span<const EmbeddedEntry> embedded_catalog() { return std::span(entries).subspan(1); }\n\n")
string(APPEND code "} // namespace sim::scenario\n")
file(WRITE "${OUTPUT}" "${code}")
