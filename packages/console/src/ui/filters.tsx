import { useEffect, useRef, useState } from 'react';
import type { ReactNode } from 'react';
import { linkTo } from '../app/place.js';
import { goTo } from '../app/router.js';
import { SelectField, TextField } from './field.js';
import { instantOf, localTime } from './filter-field.js';
import type { FilterField, Filters } from './filter-field.js';

interface FilterBarProps {
  readonly path: readonly string[];
  readonly filters: Filters;
  readonly fields: readonly FilterField[];
  /** Fields that most people do not need. They are open if one of them has a value. */
  readonly more?: readonly FilterField[];
  readonly children?: ReactNode;
}

/** Filters that are written to the address as they are changed, so that a link shows the same list. */
export function FilterBar({ path, filters, fields, more = [], children }: FilterBarProps) {
  const change = (name: string, value: string) =>
    goTo(linkTo(path, { ...filters, [name]: value }), { replace: true });
  const given = [...fields, ...more].filter(({ name }) => filters[name] !== undefined);
  const shown = (field: FilterField) => (
    <Filter key={field.name} field={field} value={filters[field.name] ?? ''} onChange={change} />
  );
  return (
    <search className="filters" aria-label="Filters">
      <div className="filter-row">
        {fields.map(shown)}
        {children}
      </div>
      {(more.length > 0 || given.length > 0) && (
        <div className="filter-foot">
          {more.length > 0 && (
            <details open={more.some(({ name }) => filters[name] !== undefined)}>
              <summary>More filters</summary>
              <div className="filter-row">{more.map(shown)}</div>
            </details>
          )}
          {given.length > 0 && (
            <button type="button" className="quiet" onClick={() => goTo(linkTo(path))}>
              Clear filters
            </button>
          )}
        </div>
      )}
    </search>
  );
}

interface FilterProps {
  readonly field: FilterField;
  readonly value: string;
  readonly onChange: (name: string, value: string) => void;
}

function Filter({ field: { name, label, kind, options = [], placeholder }, value, onChange }: FilterProps) {
  if (kind === 'choice') {
    return (
      <SelectField
        label={label}
        value={value}
        options={options}
        onChange={(event) => onChange(name, event.target.value)}
      />
    );
  }
  if (kind === 'time') {
    return (
      <TextField
        label={label}
        type="datetime-local"
        step={1}
        value={localTime(value)}
        onChange={(event) => onChange(name, instantOf(event.target.value))}
      />
    );
  }
  return (
    <TypedFilter name={name} label={label} value={value} placeholder={placeholder} onChange={onChange} />
  );
}

const PAUSE_MS = 250;

/** Waits until the user pauses, so that not every letter asks the service. */
function TypedFilter({
  name,
  label,
  value,
  placeholder,
  onChange,
}: Omit<FilterProps, 'field'> &
  Pick<FilterField, 'name' | 'label'> & { readonly placeholder: string | undefined }) {
  const [typed, setTyped] = useState(value);
  const last = useRef(value);
  useEffect(() => {
    if (value !== last.current) setTyped((last.current = value));
  }, [value]);
  useEffect(() => {
    const next = typed.trim();
    if (next === last.current) return;
    const timer = setTimeout(() => {
      last.current = next;
      onChange(name, next);
    }, PAUSE_MS);
    return () => clearTimeout(timer);
  }, [typed, name, onChange]);
  return (
    <TextField
      label={label}
      type="search"
      value={typed}
      placeholder={placeholder}
      maxLength={256}
      onChange={(event) => setTyped(event.target.value)}
    />
  );
}
