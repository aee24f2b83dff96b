import { defineConfig } from 'vitest/config';

// The bundle goes into the package, so that installing needs no Node; names change with content.
export default defineConfig({
  build: {
    outDir: '../src/tidegauge/api/built',
    emptyOutDir: true,
    assetsDir: '.',
    target: 'es2022',
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1200,
    reportCompressedSize: false,
  },
  base: '/assets/',
  server: { proxy: { '/api': 'http://127.0.0.1:8014' } },
  test: { include: ['tests/**/*.test.ts'] },
});
