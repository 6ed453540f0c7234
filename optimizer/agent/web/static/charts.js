// Draws charts with ECharts from the tables of the page: no figure comes from anywhere else, and without this the tables stand.
(() => {
  "use strict";
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  const cells = (id) =>
    [...document.querySelectorAll(`#${CSS.escape(id)} tbody tr`)].map((row) => ({
      head: row.querySelector("th")?.textContent ?? "",
      values: [...row.querySelectorAll("td[data-v]")].map((cell) => Number.parseFloat(cell.dataset.v)),
    }));

  const base = (chart) => ({
    animation: false,
    textStyle: { color: colour("--faint"), fontFamily: getComputedStyle(document.body).fontFamily },
    aria: { enabled: true },
    tooltip: { trigger: "axis", renderMode: "richText", confine: true },
    toolbox: { feature: { saveAsImage: { title: "PNG", name: chart.id } } },
    grid: { left: 8, right: 24, top: 56, bottom: 28, containLabel: true },
    legend: { type: "scroll", top: 4, right: 40, textStyle: { color: colour("--faint") } },
  });

  const axis = (name, more = {}) => ({
    type: "value", name, nameTextStyle: { color: colour("--faint"), align: more.nameLocation ? "center" : "left" }, axisLabel: { color: colour("--faint") }, axisLine: { lineStyle: { color: colour("--line") } },
    splitLine: { lineStyle: { color: colour("--line"), opacity: 0.5 } }, ...more,
  });

  const band = (name, x, low, high, opacity) => [
    { name, type: "line", stack: name, symbol: "none", lineStyle: { opacity: 0 }, itemStyle: { color: colour("--up"), opacity: 2 * opacity }, data: x.map((at, n) => [at, low[n]]), tooltip: { show: false }, silent: true },
    { name, type: "line", stack: name, symbol: "none", lineStyle: { opacity: 0 }, itemStyle: { color: colour("--up"), opacity: 2 * opacity }, areaStyle: { color: colour("--up"), opacity }, data: x.map((at, n) => [at, high[n] - low[n]]), tooltip: { show: false }, silent: true },
  ];

  const kinds = {
    // Columns: budget, expected, 80% from, to, 95% from, to. Days: spend, so far, in the end.
    curve(chart) {
      const rows = cells(chart.dataset.from).map((row) => row.values);
      const column = (n) => rows.map((row) => row[n]);
      const x = column(0);
      const days = cells(chart.dataset.days).filter((row) => row.values.slice(0, 3).every(Number.isFinite));
      const at = (name, symbol) => {
        const spend = Number.parseFloat(chart.dataset[name]);
        const n = Math.max(1, x.findIndex((value) => value >= spend));
        const share = (spend - x[n - 1]) / (x[n] - x[n - 1]);
        return { name, type: "scatter", symbol, symbolSize: 14, itemStyle: { color: colour(name === "now" ? "--faint" : "--down") }, data: [[spend, rows[n - 1][1] + share * (rows[n][1] - rows[n - 1][1])]] };
      };
      return {
        ...base(chart),
        xAxis: axis(`${chart.dataset.currency} a day`, { min: 0, max: Math.ceil(x.at(-1)), nameLocation: "middle", nameGap: 26 }),
        yAxis: axis(chart.dataset.unit),
        series: [
          ...band("95%", x, column(4), column(5), 0.12),
          ...band("80%", x, column(2), column(3), 0.22),
          { name: "expected", type: "line", symbol: "none", lineStyle: { color: colour("--up"), width: 2 }, itemStyle: { color: colour("--up") }, data: rows.map((row) => [row[0], row[1]]) },
          { name: "a day", type: "scatter", symbolSize: 5, itemStyle: { color: colour("--faint"), opacity: 0.5 }, data: days.map((row) => [row.values[0], row.values[2], row.head]) },
          at("now", "circle"), at("then", "diamond"),
        ],
      };
    },

    // Columns: planned, spent, and the 10%, 50% and 90% of what the spend may come to, each cumulative.
    pacing(chart) {
      const rows = cells(chart.dataset.from);
      const x = rows.map((row) => row.head);
      const column = (n) => rows.map((row) => row.values[n]);
      const known = column(1).filter(Number.isFinite).length;
      const ahead = (values) => values.map((value, n) => (n >= known - 1 ? value : Number.NaN));
      return {
        ...base(chart),
        xAxis: { type: "category", data: x, boundaryGap: false, axisLabel: { color: colour("--faint") }, axisLine: { lineStyle: { color: colour("--line") } } },
        yAxis: axis(chart.dataset.currency),
        series: [
          ...band("80%", x, ahead(column(2)), ahead(column(4)), 0.22),
          { name: "planned", type: "line", symbol: "none", lineStyle: { color: colour("--faint"), type: "dashed" }, itemStyle: { color: colour("--faint") }, data: column(0) },
          { name: "spent", type: "line", symbolSize: 5, lineStyle: { color: colour("--up"), width: 2 }, itemStyle: { color: colour("--up") }, data: column(1).map((value) => (Number.isFinite(value) ? value : null)) },
          { name: "forecast", type: "line", symbol: "none", lineStyle: { color: colour("--down"), type: "dotted", width: 2 }, itemStyle: { color: colour("--down") }, data: ahead(column(3)).map((value) => (Number.isFinite(value) ? value : null)) },
        ],
      };
    },
  };

  const drawAll = () => {
    for (const chart of document.querySelectorAll("[data-chart]")) {
      const make = kinds[chart.dataset.chart];
      if (!make) continue;
      echarts.getInstanceByDom(chart)?.dispose();
      echarts.init(chart, null, { renderer: "canvas" }).setOption(make(chart));
    }
  };
  addEventListener("DOMContentLoaded", drawAll);
  addEventListener("resize", () => document.querySelectorAll("[data-chart]").forEach((c) => echarts.getInstanceByDom(c)?.resize()));
  dark.addEventListener("change", drawAll);
})();
