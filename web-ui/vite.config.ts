import tailwindcss from "@tailwindcss/vite";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

/** Each program bundles its own page, so there is one build per entry point: `--mode agent` or `--mode relay`. */
export default defineConfig(({ mode }) => {
  if (mode !== "agent" && mode !== "relay") {
    throw new Error(`unknown entry point ${mode}: use --mode agent or --mode relay`);
  }
  const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
  return {
    root: here(mode),
    plugins: [tailwindcss()],
    esbuild: { jsx: "automatic" },
    build: {
      outDir: here(`dist/${mode}`),
      emptyOutDir: true,
      // The content security policy allows neither `data:` addresses nor inline scripts.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      // One chunk with every page loads faster from the box next door than many small ones.
      chunkSizeWarningLimit: 600,
      rollupOptions: {
        onwarn(warning, warn) {
          // Libraries mark their modules for server rendering, which does not exist here.
          if (warning.code !== "MODULE_LEVEL_DIRECTIVE") {
            warn(warning);
          }
        },
      },
    },
    server: { proxy: { "/api": process.env["HOLDFAST_API"] ?? "http://127.0.0.1:8080" } },
  };
});
