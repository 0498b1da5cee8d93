/** How ids and times have to be written in requests to administer. */
export const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
export const AN_ID = { message: '$property must be a UUID' };
