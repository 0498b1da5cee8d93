import { useEffect, useRef } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { ComparisonDto } from '../../api/openapi.js';
import { clock, dateTime } from '../../ui/times.js';
import { FIGURES, valueOf } from './figures.js';
import type { FigureName } from './figures.js';

const HEIGHT = 108;

interface Props {
  readonly name: FigureName;
  readonly buckets: ComparisonDto['buckets'];
  /** By how much tokens may be worse; null if the figure has no limit. */
  readonly tolerance: number | null;
}

/** Both schemes over time, with the line that tokens must not cross. The numbers are in the tile, and in the text of the picture. */
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
    // The colours are those of the scheme that was in force when it was drawn.
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

  return <div ref={box} className="chart" role="img" aria-label={textOf(name, buckets)} />;
}

/** Times in seconds, tokens, sessions and the limit. */
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

function textOf(name: FigureName, buckets: Props['buckets']): string {
  const [first, last] = [buckets[0], buckets.at(-1)];
  if (first === undefined || last === undefined) return `${FIGURES[name].label}: no data yet`;
  return `${FIGURES[name].label} over time, from ${dateTime(first.from)} to ${dateTime(last.to)}`;
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
    points: { show: true, size: 4, filter: (plot, series) => lonely(plot.data[series]!) },
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

/** The points without a neighbour: a line does not show them. */
export function lonely(values: uPlot.AlignedData[number]): number[] {
  const isLonely = (index: number) =>
    values[index] != null && values[index - 1] == null && values[index + 1] == null;
  return Array.from(values, (_value, index) => index).filter(isLonely);
}

function shortTime(seconds: number): string {
  return clock(seconds * 1000).slice(0, 5);
}

/** A custom property as a colour that a canvas understands: `light-dark()` is resolved. */
function colourOf(element: HTMLElement, property: string): string {
  const before = element.style.color;
  element.style.color = `var(${property})`;
  const { color } = getComputedStyle(element);
  element.style.color = before;
  return color;
}
