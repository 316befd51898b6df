#include <fmt/format.h>

#include <ctime>

#include "saw/autograd/config.h"
#include "saw/train/internal/svg.h"
#include "saw/train/report/internal/report_data.h"

namespace saw::train {
namespace {

constexpr const char* style = R"(
:root{color-scheme:light dark;--bg:#fff;--fg:#1b1f24;--muted:#5c6570;--line:#dfe3e8;--card:#f6f8fa;--cell:#eef1f4;
--c0:#2f6fc2;--c1:#d2602a;--c2:#23875f;--c3:#8f4bb8;--c4:#a37609;--c5:#bd2f63;--m0:#2f6fc2;--m1:#d2602a;--on:#fff;--hover:#1b1f2414}
@media(prefers-color-scheme:dark){:root{--bg:#14171b;--fg:#e4e7eb;--muted:#9aa4af;--line:#2f353c;--card:#1c2025;--cell:#23282e;
--c0:#74aaf5;--c1:#f0925a;--c2:#5cc79a;--c3:#c594ea;--c4:#dcb548;--c5:#f07fa6;--m0:#5b97ec;--m1:#ea8148;--on:#0e1114;--hover:#ffffff14}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--fg);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,"Noto Sans",sans-serif}
main,header{max-width:1080px;margin:0 auto;padding:0 20px}
header{padding-top:28px}
h1{font-size:1.75rem;line-height:1.2;margin:0 0 4px;letter-spacing:-.01em;overflow-wrap:anywhere}
h2{font-size:1.2rem;margin:44px 0 14px;padding-top:10px;border-top:1px solid var(--line)}
h3{font-size:.95rem;margin:0 0 2px;font-weight:600;overflow-wrap:anywhere}
p{margin:6px 0 12px}
.muted,.status,.small{color:var(--muted)}.small{font-size:.85rem;margin:4px 0 6px}
.status{margin:0 0 16px}
nav{display:flex;flex-wrap:wrap;gap:2px 18px;font-size:.9rem}
a{color:var(--c0);text-decoration:none}a:hover{text-decoration:underline}
.figures{display:flex;flex-wrap:wrap;gap:12px;margin:18px 0}
.figures div{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:10px 16px;min-width:130px}
.figures b{display:block;font-size:1.5rem;line-height:1.25;font-weight:600;font-variant-numeric:tabular-nums}
.figures span{color:var(--muted);font-size:.85rem}
.grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr));gap:16px}
.card{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:12px 14px 8px;min-width:0}
.legend{display:flex;flex-wrap:wrap;gap:0 14px;font-size:.82rem;color:var(--muted);margin-bottom:4px;font-variant-numeric:tabular-nums}
.legend i{display:inline-block;width:12px;height:3px;border-radius:2px;vertical-align:middle;margin-right:5px}
.scroll{overflow-x:auto;max-width:100%;padding-bottom:6px}
.maps{display:flex;flex-wrap:wrap;gap:8px 28px}.maps figure{margin:0 0 12px;min-width:0;max-width:100%}
figcaption{font-size:.85rem;color:var(--muted)}
svg text{fill:var(--fg)}svg.chart{display:block;width:100%;height:auto;font-size:11.5px}svg.chart text{fill:var(--muted)}
svg.matrix{display:block}
line.grid{stroke:var(--line);stroke-width:1}line.axis{stroke:var(--muted);stroke-width:1}
line.best{stroke:var(--muted);stroke-width:1.2;stroke-dasharray:4 3}
path.curve{fill:none;stroke-width:1.8;stroke-linejoin:round;stroke-linecap:round}path.band{stroke:none;fill-opacity:.16}
.hit{fill:transparent}.hit:hover{fill:var(--hover)}
rect.cell{fill:var(--cell)}rect.m0{fill:var(--m0)}rect.m1{fill:var(--m1)}g:hover>rect.cell{stroke:var(--fg);stroke-width:1.5}
svg text.on{fill:var(--on)}svg text.off{fill:var(--fg)}
table{border-collapse:collapse;font-size:.9rem;width:100%}
th{text-align:left;white-space:nowrap;font-weight:600;color:var(--muted);font-size:.82rem}
th,td{padding:5px 14px 5px 0;border-bottom:1px solid var(--line);vertical-align:top}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
td.k{color:var(--muted);width:1%;white-space:nowrap;padding-right:24px}td.v{overflow-wrap:anywhere}
td.text{white-space:pre-wrap;overflow-wrap:anywhere;min-width:150px}td.own{min-width:210px;overflow-wrap:anywhere}
td.name{white-space:pre}
table.fit{width:auto}
code,pre{font:.85rem/1.45 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
pre{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:12px 14px;overflow-x:auto;margin:12px 0}
details summary{cursor:pointer;color:var(--c0);font-size:.9rem;margin:8px 0}
.bar{display:flex;height:22px;border-radius:6px;overflow:hidden;margin:4px 0 14px;gap:1px;background:var(--line)}
.bar i{display:block;min-width:1px}.dot{display:inline-block;width:10px;height:10px;border-radius:3px;margin-right:8px}
footer{max-width:1080px;margin:48px auto 0;padding:14px 20px 30px;color:var(--muted);font-size:.82rem;border-top:1px solid var(--line)}
@media(max-width:560px){body{font-size:15px}svg.chart{font-size:13.5px}main,header,footer{padding-left:14px;padding-right:14px}h1{font-size:1.45rem}
.figures div{flex:1 1 40%;padding:8px 12px}.figures b{font-size:1.25rem}td.k{white-space:normal;width:38%}th,td{padding-right:10px}}
)";

std::string colours() {
  std::string css;
  for (int i = 0; i < 6; ++i)
    css += fmt::format(
        "path.curve.c{0}{{stroke:var(--c{0})}}path.band.c{0},circle.c{0}{{fill:var(--c{0})}}i.c{0}{{background:var(--c{"
        "0})}}\n",
        i);
  return css + "i.other{background:var(--muted)}\n";
}

std::string now() {
  const std::time_t time = std::time(nullptr);
  std::tm parts{};
  char text[64] = "";
  if (gmtime_r(&time, &parts) != nullptr) std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &parts);
  return text;
}

}  // namespace

std::string facts_table(const Facts& facts) {
  if (facts.empty()) return {};
  std::string html = "<table>\n";
  for (const auto& [name, value] : facts)
    html += fmt::format("<tr><td class=\"k\">{}</td><td class=\"v\">{}</td></tr>\n", escape_markup(name),
                        escape_markup(value));
  return html + "</table>\n";
}

std::string report_page(const ReportData& report) {
  struct Part {
    const char *anchor, *short_title, *title;
    std::string content;
  };
  const Part parts[] = {{"curves", "Curves", "Curves", curves_section(report)},
                        {"confusion", "Confusion", "Confusion", confusion_section(report)},
                        {"mistakes", "Mistakes", "Worst mistakes", mistakes_section(report)},
                        {"attention", "Attention", "Attention", attention_section(report)},
                        {"data", "Data", "Data", data_section(report)},
                        {"model", "Model", "Model", model_section(report)},
                        {"time", "Time", "Time", time_section(report)},
                        {"memory", "Memory", "Memory", memory_section()},
                        {"settings", "Settings", "Settings", settings_section(report)}};
  std::string html = report_marker;
  html += fmt::format(
      "<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
      "content=\"width=device-width, initial-scale=1\">\n<title>{0}</title>\n<style>{1}{2}</style>\n</head>\n<body>\n"
      "<header>\n<h1>{0}</h1>\n<p class=\"status\">{3}</p>\n",
      escape_markup(report.title), style, colours(), escape_markup(report.status));
  if (!report.figures.empty()) {
    html += "<div class=\"figures\">\n";
    for (const auto& [name, value] : report.figures)
      html += fmt::format("<div><b>{}</b><span>{}</span></div>\n", escape_markup(value), escape_markup(name));
    html += "</div>\n";
  }
  html += "<nav>\n";
  for (const Part& part : parts)
    if (!part.content.empty()) html += fmt::format("<a href=\"#{}\">{}</a>\n", part.anchor, part.short_title);
  html += "</nav>\n</header>\n<main>\n";
  for (const Part& part : parts)
    if (!part.content.empty())
      html += fmt::format("<section id=\"{}\">\n<h2>{}</h2>\n{}</section>\n", part.anchor, part.title, part.content);
  return html + fmt::format("</main>\n<footer>Written {} by {}</footer>\n</body>\n</html>\n", now(),
                            escape_markup(config_string()));
}

}  // namespace saw::train
