# Takes the C++ of a page: blocks ```cpp, and what stands in comments that begin with a line `<!-- cpp` and end with a
# line `-->`, which readers do not see.
#
#   awk -v mode=files -v file=program.cpp -v directory=out -f extract.awk page.md
#     The blocks of a file one after the other: of the file that the last line `<!-- file: name -->` names, at first of
#     `file`.
#   awk -v mode=sections -v file=page.cpp -v directory=out -f extract.awk page.md
#     One program that runs the sections (`## …`) one after the other. The blocks of a section are the body of a
#     function; a block after a line `<!-- outside -->`, or in a comment `<!-- cpp outside`, stands before the function, for this
#     section and those after it.
#   awk -v mode=python -v file=page.py -v directory=out -f extract.awk page.md
#     The blocks ```python one after the other.

BEGIN {
  section = 0
  place = "inside"
  title[0] = "the beginning"
}

function note(text) {
  if (mode == "sections") code[section, place] = code[section, place] text "\n"
  else files[file] = files[file] text "\n"
}

function begin_block() {
  inside_block = 1
  if (mode != "python") note("#line " (FNR + 1) " \"" FILENAME "\"")
}

function end_block() {
  inside_block = 0
  place = "inside"
}

inside_block && (/^```$/ || (hidden && /^-->$/)) { hidden = 0; end_block(); next }
inside_block { note($0); next }
/^<!-- file: .* -->$/ { file = $3; next }
/^<!-- outside -->$/ { place = "outside"; next }
/^<!-- cpp( outside)?$/ && mode != "python" {
  if ($3 == "outside") place = "outside"
  hidden = 1
  begin_block()
  next
}
/^```python$/ && mode == "python" { begin_block(); next }
/^```cpp$/ && mode != "python" { begin_block(); next }
/^```./ { passed_over = 1; next }
/^```$/ && passed_over { passed_over = 0; next }
/^## / && !passed_over { section++; title[section] = substr($0, 4) }

END {
  if (inside_block) {
    print FILENAME ": a block is not closed" > "/dev/stderr"
    exit 1
  }
  if (mode == "sections") {
    text = "#include <saw/saw.h>\n#include \"docs/page.h\"\nusing namespace saw;\n"
    for (i = 0; i <= section; ++i) {
      text = text code[i, "outside"]
      if ((i, "inside") in code) text = text "static void section_" i "() {\n" code[i, "inside"] "}\n"
    }
    text = text "int main() {\n  return page::run({\n"
    for (i = 0; i <= section; ++i)
      if ((i, "inside") in code) {
        name = title[i]
        gsub(/[`"\\]/, "", name)
        text = text "{\"" name "\", section_" i "},\n"
      }
    files[file] = text "});\n}\n"
  }
  for (name in files) printf "%s", files[name] > (directory "/" name)
}
