import { useEffect, useRef } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { ComparisonDto } from '../../api/openapi.js';
import { clock } from '../../ui/times.js';
import { describeChart, valueOf } from './figures.js';
import type { FigureName } from './figures.js';

const HEIGHT = 108;

interface Props {
  readonly name: FigureName;
  readonly buckets: ComparisonDto['buckets'];
  /** How much worse than sessions tokens may be; null if the figure has no limit. */
  readonly tolerance: number | null;
}

/** A chart of sessions and tokens over time, with the limit for tokens. Screen readers get the latest numbers of both. */
export function FigureChart({ name, buckets, tolerance }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const data = seriesOf(name, buckets, tolerance);
  const latest = useRef(data);
  latest.current = data;

  useEffect(() => {
    const element = box.current!;
    const draw = () => {
      plot.current?.destroy();
      plot.current = new uPlot(optionsOf(name, element, tolerance !== null), latest.current, element);
    };
    draw();
    const sizes = new ResizeObserver(() =>
      plot.current?.setSize({ width: element.clientWidth, height: HEIGHT }),
    );
    sizes.observe(element);
    // A canvas does not follow the colour scheme, so redraw the chart when it changes.
    const dark = matchMedia('(prefers-color-scheme: dark)');
    dark.addEventListener('change', draw);
    return () => {
      sizes.disconnect();
      dark.removeEventListener('change', draw);
      plot.current?.destroy();
      plot.current = undefined;
    };
  }, [name, tolerance]);
  useEffect(() => plot.current?.setData(latest.current), [buckets]);

  return <div ref={box} className="chart" role="img" aria-label={describeChart(name, buckets)} />;
}

/** Returns the series of the chart: times in seconds, tokens, sessions and the limit. */
export function seriesOf(
  name: FigureName,
  buckets: Props['buckets'],
  tolerance: number | null,
): uPlot.AlignedData {
  const figures = buckets.map((bucket) => bucket.figures.find(({ figure }) => figure === name));
  return [
    buckets.map(({ from }) => Date.parse(from) / 1000),
    figures.map((figure) => figure?.tokens ?? null),
    figures.map((figure) => figure?.sessions ?? null),
    figures.map((figure) =>
      tolerance === null || figure?.sessions == null ? null : figure.sessions + tolerance,
    ),
  ];
}

function optionsOf(name: FigureName, element: HTMLElement, limited: boolean): uPlot.Options {
  const style = getComputedStyle(element);
  const colour = (property: string) => colourOf(element, property);
  const axis = {
    stroke: colour('--text-soft'),
    font: `11px ${style.fontFamily}`,
    grid: { stroke: colour('--line'), width: 1 },
    ticks: { show: false },
  };
  const line = (property: string, extra: Partial<uPlot.Series> = {}): uPlot.Series => ({
    stroke: colour(property),
    width: 1.75,
    points: { show: true, size: 4, filter: (plot, series) => isolatedPoints(plot.data[series]!) },
    spanGaps: false,
    ...extra,
  });
  return {
    width: Math.max(1, element.clientWidth),
    height: HEIGHT,
    legend: { show: false },
    cursor: { show: false },
    padding: [6, 18, 0, 0],
    scales: { y: { range: (_plot, _low, high) => [0, high > 0 ? high * 1.15 : 1] } },
    axes: [
      { ...axis, size: 20, space: 70, values: (_plot, times) => times.map(shortTime) },
      {
        ...axis,
        size: 52,
        space: 34,
        values: (_plot, values) => values.map((value) => valueOf(name, value)),
      },
    ],
    series: [
      {},
      line('--tokens'),
      line('--sessions'),
      line('--bad', { dash: [4, 4], width: 1, show: limited, points: { show: false } }),
    ],
  };
}

/** Returns the indexes of points without a neighbour, which a line would not show. */
export function isolatedPoints(values: uPlot.AlignedData[number]): number[] {
  const isIsolated = (index: number) =>
    values[index] != null && values[index - 1] == null && values[index + 1] == null;
  return Array.from(values, (_value, index) => index).filter(isIsolated);
}

function shortTime(seconds: number): string {
  return clock(seconds * 1000).slice(0, 5);
}

/** Resolves a custom property to a colour that a canvas understands, without `light-dark()`. */
function colourOf(element: HTMLElement, property: string): string {
  const before = element.style.color;
  element.style.color = `var(${property})`;
  const { color } = getComputedStyle(element);
  element.style.color = before;
  return color;
}
