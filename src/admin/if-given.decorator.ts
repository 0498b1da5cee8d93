import { ValidateIf } from 'class-validator';

/** Lets a field be absent, but not null. */
export const IfGiven = () => ValidateIf((_, value: unknown) => value !== undefined);
