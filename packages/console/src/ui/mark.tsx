/** The sign of the product: two circles in tandem. */
export function Mark() {
  return (
    <svg className="mark" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="7" />
      <circle cx="11.5" cy="16" r="5" />
      <circle cx="20.5" cy="16" r="5" />
    </svg>
  );
}
