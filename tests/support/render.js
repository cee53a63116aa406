// Draws Vega-Lite specifications without a browser, with the programs that our pages carry.
// node render.js <folder of the programs> < {"name": spec, ...}; prints {"name": {"said": [...],
// "marks": n, "texts": [...]}, ...}. What is said is what a browser's console would show.
const folder = process.argv[2];
const Module = require("module");
const resolve = Module._resolveFilename;
Module._resolveFilename = (name, ...rest) =>
  ["vega", "vega-lite"].includes(name) ? `${folder}/${name}.min.js` : resolve(name, ...rest);
const vega = require("vega");
const lite = require("vega-lite");

async function draw(spec) {
  const said = [];
  const logger = {};
  for (const level of ["level", "error", "warn", "info", "debug"])
    logger[level] = (...words) => {
      if (["error", "warn"].includes(level)) said.push(words.join(" "));
      return logger;
    };
  const compiled = lite.compile(spec, { logger }).spec;
  const view = new vega.View(vega.parse(compiled), { renderer: "none", logger });
  const svg = await view.toSVG();
  const texts = [...svg.matchAll(/<text[^>]*>([^<]*)/g)].map((found) => found[1]);
  return { said, marks: (svg.match(/<path[^>]* d="[^"]/g) || []).length, texts };
}

(async () => {
  const specs = JSON.parse(require("fs").readFileSync(0, "utf8"));
  const drawn = {};
  for (const [name, spec] of Object.entries(specs)) drawn[name] = await draw(spec);
  console.log(JSON.stringify(drawn));
})();
