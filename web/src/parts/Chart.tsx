/** ECharts, cut to what is used, on a canvas: the page allows no styles from strings. */
import { BarChart, CustomChart, HeatmapChart, LineChart, MapChart } from 'echarts/charts';
import {
  AriaComponent,
  BrushComponent,
  DataZoomComponent,
  GeoComponent,
  GridComponent,
  LegendComponent,
  MarkAreaComponent,
  MarkLineComponent,
  MarkPointComponent,
  ToolboxComponent,
  TooltipComponent,
  VisualMapComponent,
} from 'echarts/components';
import * as echarts from 'echarts/core';
import { CanvasRenderer } from 'echarts/renderers';
import type { EChartsCoreOption } from 'echarts/core';
import { useEffect, useRef } from 'preact/hooks';
import { useWords } from '../lib/settings';

echarts.use([
  AriaComponent,
  BarChart,
  BrushComponent,
  CanvasRenderer,
  CustomChart,
  DataZoomComponent,
  GeoComponent,
  GridComponent,
  HeatmapChart,
  LegendComponent,
  LineChart,
  MapChart,
  MarkAreaComponent,
  MarkLineComponent,
  MarkPointComponent,
  ToolboxComponent,
  TooltipComponent,
  VisualMapComponent,
]);

export { echarts };
export type ChartHandle = echarts.ECharts;

/** Colours that people of all kinds of sight tell apart (Okabe and Ito 2008), for either ground. */
export interface Palette {
  ink: string;
  faint: string;
  line: string;
  ground: string;
  series: string;
  expected: string;
  band: string;
  critical: string;
  surge: string;
  flag: string;
  map: [string, string, string];
}

export function palette(dark: boolean): Palette {
  return dark
    ? {
        ink: '#e6edf3',
        faint: '#9fb0c0',
        line: '#33414e',
        ground: '#10181f',
        series: '#56b4e9',
        expected: '#c8d1da',
        band: 'rgba(200,209,218,0.18)',
        critical: '#f0a35e',
        surge: 'rgba(230,159,0,0.35)',
        flag: '#2fc79a',
        map: ['#1d2a36', '#3f7fb0', '#f0c05a'],
      }
    : {
        ink: '#14212b',
        faint: '#536471',
        line: '#d5dde3',
        ground: '#ffffff',
        series: '#0072b2',
        expected: '#5c6b77',
        band: 'rgba(92,107,119,0.16)',
        critical: '#c04a00',
        surge: 'rgba(230,159,0,0.30)',
        flag: '#00795a',
        map: ['#e7eef3', '#56a0d3', '#d55e00'],
      };
}

/** How every chart shows what lies under the pointer: text on the canvas, in the page's colours. */
export function tooltipOf({ ground, line, ink }: Palette) {
  return { renderMode: 'richText', backgroundColor: ground, borderColor: line, textStyle: { color: ink } };
}

let hatch: { light: HTMLCanvasElement; dark: HTMLCanvasElement } | null = null;

/** Slanted lines: time that was not seen, told by more than its colour. */
export function hatching(dark: boolean): { image: HTMLCanvasElement; repeat: 'repeat' } {
  const drawn = (stroke: string, ground: string) => {
    const canvas = document.createElement('canvas');
    canvas.width = canvas.height = 8;
    const pen = canvas.getContext('2d');
    if (pen) {
      pen.fillStyle = ground;
      pen.fillRect(0, 0, 8, 8);
      pen.strokeStyle = stroke;
      pen.lineWidth = 1.4;
      pen.beginPath();
      for (const shift of [-8, 0, 8]) {
        pen.moveTo(shift, 8);
        pen.lineTo(shift + 8, 0);
      }
      pen.stroke();
    }
    return canvas;
  };
  hatch ??= { light: drawn('#8b99a5', 'rgba(139,153,165,0.12)'), dark: drawn('#7f8f9d', 'rgba(127,143,157,0.14)') };
  return { image: dark ? hatch.dark : hatch.light, repeat: 'repeat' };
}

interface Props {
  option: EChartsCoreOption;
  height: number;
  label: string;
  onReady?: (chart: ChartHandle) => void;
  /** Called whenever options were set. */
  onDrawn?: (chart: ChartHandle) => void;
  /** Options are merged into those before where false. */
  replace?: boolean;
}

export function Chart({ option, height, label, onReady, onDrawn, replace = true }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<ChartHandle | null>(null);
  const { dark } = useWords();
  useEffect(() => {
    const node = place.current;
    if (!node) return undefined;
    const made = echarts.init(node, null, { renderer: 'canvas' });
    chart.current = made;
    onReady?.(made);
    const watching = new ResizeObserver(() => made.resize());
    watching.observe(node);
    return () => {
      watching.disconnect();
      made.dispose();
      chart.current = null;
    };
  }, [dark]);
  useEffect(() => {
    chart.current?.setOption({ animation: false, ...option }, { notMerge: replace });
    if (chart.current) onDrawn?.(chart.current);
  }, [option, dark, replace]);
  return <div ref={place} class="chart" style={{ height: `${height}px` }} role="img" aria-label={label} />;
}
