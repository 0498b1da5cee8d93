CREATE TABLE users (
  id serial PRIMARY KEY,
  email varchar(255) NOT NULL UNIQUE,
  name varchar(100) NOT NULL,
  password_hash varchar(72) NOT NULL,
  role varchar(20) NOT NULL DEFAULT 'customer' CHECK (role IN ('customer', 'staff')),
  disabled boolean NOT NULL DEFAULT false,
  password_changed_at timestamptz NOT NULL DEFAULT now(),
  created_at timestamptz NOT NULL DEFAULT now()
);
