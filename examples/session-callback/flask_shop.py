"""A product on Flask and Flask-Login, and the twenty lines that connect it with Tandem: the view `tandem_session`.

    SESSION_STORE=callback
    SESSION_CALLBACK_URL=http://127.0.0.1:8000/tandem/session
    SESSION_COOKIE_NAME=session

Flask keeps a session in its cookie, so nobody can end it from outside. This product keeps a list of its live sessions, as it needs for
"sign out everywhere" anyway. Run it with: python3 flask_shop.py. It needs SESSION_CALLBACK_SECRET, and prints the port that it listens on.
"""

import hmac
import os
from datetime import datetime, timedelta, timezone
from uuid import uuid4
from wsgiref.simple_server import make_server

from flask import Flask, jsonify, request, session
from flask_login import LoginManager, UserMixin, current_user, login_user, logout_user

shop = Flask(__name__)
shop.secret_key = 'signs the cookies of the product'
LIFETIME = timedelta(hours=1)
# The user and the end of each live session, by its name.
live = {}


class User(UserMixin):
    def __init__(self, user):
        self.id = user


manager = LoginManager(shop)


@manager.user_loader
def load(user):
    held, until = live.get(session.get('name'), (None, None))
    return User(user) if held == user and until > datetime.now(timezone.utc) else None


def begin(user):
    session.clear()
    session['name'] = uuid4().hex
    live[session['name']] = (user, datetime.now(timezone.utc) + LIFETIME)
    login_user(User(user))


# --- The callback ---


@shop.route('/tandem/session', methods=['GET', 'POST', 'DELETE'])
def tandem_session():
    wanted = 'Bearer ' + os.environ['SESSION_CALLBACK_SECRET']
    if not hmac.compare_digest(request.headers.get('Authorization', '').encode(), wanted.encode()):
        return '', 403
    if request.method == 'GET':
        if not current_user.is_authenticated:
            return '', 401
        user, until = live[session['name']]
        return jsonify(user=user, session=session['name'], expires_at=until.isoformat())
    asked = request.get_json()
    if request.method == 'POST':
        begin(asked['user'])
        return jsonify({})
    for name, (user, _) in list(live.items()):
        if name == asked.get('session') or user == asked.get('user'):
            del live[name]
    return '', 204


# --- The product as it was ---


@shop.route('/login/<user>', methods=['POST'])
def log_in(user):
    begin(user)
    return jsonify(user=user)


@shop.route('/logout', methods=['POST'])
def log_out():
    live.pop(session.get('name'), None)
    logout_user()
    return '', 204


@shop.route('/me')
def me():
    if not current_user.is_authenticated:
        return jsonify({}), 401
    return jsonify(user=current_user.id)


if __name__ == '__main__':
    server = make_server('127.0.0.1', int(os.environ.get('PORT', '0')), shop)
    print(server.server_port, flush=True)
    server.serve_forever()
